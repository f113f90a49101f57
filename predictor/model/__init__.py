"""The model: exact tables of log-odds, and all that answers from them. No scikit-learn, and nothing that learns."""
