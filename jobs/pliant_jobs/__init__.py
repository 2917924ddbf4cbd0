"""The jobs of Pliant: every command is a Config, a run(config) and a main()."""
