"""Images and files looked through for vulnerabilities, secrets and mistakes, by Trivy or grype."""
