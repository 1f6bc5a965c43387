"""The operators' view of libraries, files, originals and derivatives."""
