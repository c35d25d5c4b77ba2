"""What stands in front of a project's services and passes requests on to them."""
