"""Real servers for tests: an address from the environment, a container, or a JVM from Maven Central's jars."""
