"""Analysis plans and files of other assessments: shape first, then meaning."""
