"""The command line: parses, asks the node, prints; decides nothing about the market."""
