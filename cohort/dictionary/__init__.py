"""What a variable is: reads and checks the data dictionary."""
