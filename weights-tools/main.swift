print("weights-tools")
