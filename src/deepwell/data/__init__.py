"""Raw files to examples: sources read, recognition names the fields, splits cut the parts, fields and pipeline encode."""
