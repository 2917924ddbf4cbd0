{{/*
The Ray cluster below a RayService and a RayJob. It takes a dict: root (the chart's context), part (.Values.service
or .Values.job) and component (a label's value).
*/}}
{{- define "pliant.cluster" -}}
rayVersion: {{ .root.Values.rayVersion | quote }}
headGroupSpec:
  rayStartParams:
    dashboard-host: 0.0.0.0
    num-cpus: "0"
  template:
    {{- include "pliant.pod" (dict "root" .root "group" .part.head "component" .component "container" "ray-head") | nindent 4 }}
workerGroupSpecs:
  - groupName: workers
    replicas: {{ .part.workers.replicas }}
    minReplicas: {{ .part.workers.minReplicas }}
    maxReplicas: {{ .part.workers.maxReplicas }}
    rayStartParams: {}
    template:
      {{- include "pliant.pod" (dict "root" .root "group" .part.workers "component" .component "container" "ray-worker") | nindent 6 }}
{{- end }}

{{/* One pod. It takes the dict above, with group (head, workers or a submitter) and container (its name). */}}
{{- define "pliant.pod" -}}
{{- $values := .root.Values -}}
metadata:
  labels:
    {{- include "pliant.selectorLabels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
    {{- with $values.podLabels }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with $values.podAnnotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  serviceAccountName: {{ include "pliant.serviceAccountName" .root }}
  automountServiceAccountToken: false
  {{- if .restartPolicy }}
  restartPolicy: {{ .restartPolicy }}
  {{- end }}
  {{- with $values.imagePullSecrets }}
  imagePullSecrets:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $values.podSecurityContext | nindent 4 }}
  containers:
    - name: {{ .container }}
      image: "{{ $values.image.repository }}:{{ $values.image.tag | default .root.Chart.AppVersion }}"
      imagePullPolicy: {{ $values.image.pullPolicy }}
      securityContext:
        {{- toYaml $values.securityContext | nindent 8 }}
      env:
        - name: HOME
          value: /home/pliant
        {{- with $values.env }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
      resources:
        {{- toYaml .group.resources | nindent 8 }}
      volumeMounts:
        - name: tmp
          mountPath: /tmp
        - name: home
          mountPath: /home/pliant
        {{- with $values.volumeMounts }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
  volumes:
    - name: tmp
      emptyDir: {}
    - name: home
      emptyDir: {}
    {{- with $values.volumes }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
  {{- with .group.nodeSelector }}
  nodeSelector:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .group.tolerations }}
  tolerations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .group.affinity }}
  affinity:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
