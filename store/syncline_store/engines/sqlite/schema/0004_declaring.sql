-- Namespaces that declare what searches may filter by (a JSON object in `fields`) are found beside any number of others.

CREATE INDEX namespaces_declaring ON namespaces (tenant, namespace) WHERE fields >= '{';
