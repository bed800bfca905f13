# Brings Prometheus' agent for Java into a volume, from which Kafka and Cassandra load it (docker-compose.yaml).
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
# Of who builds behind a proxy that inspects TLS: -Djavax.net.ssl.trustStore=FILE.
ARG MAVEN_OPTS
# hadolint ignore=DL3008
RUN apt-get update && apt-get install -y --no-install-recommends maven && rm -rf /var/lib/apt/lists/*
COPY tools/services/jmx-agent.xml /pom.xml
RUN mvn -q -B -f /pom.xml dependency:copy-dependencies -DoutputDirectory=/jmx

FROM ${BASE}
COPY --from=build /jmx /opt/jmx
RUN install -d -o 10001 -g 10001 -m 755 /jmx
USER 10001:10001
# A jar that is in use is replaced, not written over.
CMD ["sh", "-c", "cd /opt/jmx && for jar in *.jar; do cp \"$jar\" \"/jmx/.$jar\" && mv \"/jmx/.$jar\" \"/jmx/$jar\"; done"]
