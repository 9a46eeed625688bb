"""What commands share: bars, tables, wrapped text, streams, signals, options, mistakes in words."""
