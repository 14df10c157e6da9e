"""The whole way of a number: from the file to what left, from run folders, databases and deliveries."""
