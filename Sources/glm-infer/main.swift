print("glm-infer")
