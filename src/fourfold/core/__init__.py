"""What every other room builds on: errors, pictures, sizes, options, and facts about the machine."""
