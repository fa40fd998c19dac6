"""What is true: entries, feeds, order, tables, roots and the store; knows no market rule."""
