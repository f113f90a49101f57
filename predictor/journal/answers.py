"""stub"""
FORMAT, KIND = 1, "interview outcome predictor: answers"
