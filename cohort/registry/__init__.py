"""Read sources as text; harmonise them by the dictionary; quality and audit."""
