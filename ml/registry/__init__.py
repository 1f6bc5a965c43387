"""The one table of models: what each is for, its files, its licence, what it costs. No Django.

specs       what a row says
licences    the licences, and which of them must be accepted first
entries     the rows that come with Alcoves
table       all rows: ours, and those of the setting MODEL_REGISTRIES
"""
