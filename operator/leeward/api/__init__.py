"""The resources `Region` and `ModelDeployment` as pydantic models, and the CRDs generated from them."""
