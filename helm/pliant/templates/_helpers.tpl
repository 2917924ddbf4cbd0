{{- define "pliant.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* KubeRay appends up to 28 characters to a resource's name, and a label has at most 63. */}}
{{- define "pliant.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 35 | trimSuffix "-" }}
{{- else if contains (include "pliant.name" .) .Release.Name }}
{{- .Release.Name | trunc 35 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "pliant.name" .) | trunc 35 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "pliant.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "pliant.selectorLabels" . }}
{{- end }}

{{- define "pliant.selectorLabels" -}}
app.kubernetes.io/name: {{ include "pliant.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "pliant.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "pliant.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}
