"""The HTTP API over libraries, files, uploads and derivatives."""
