"""Does the immune change go with the platelets, come before them, follow exposure? Exploratory, patient by patient."""
