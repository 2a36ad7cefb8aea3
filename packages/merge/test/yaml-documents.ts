/**
 * Documents as they are found in repositories: YAML.
 *
 * @module
 */

export const compose = `# Services of the harbour.
# Start them with "docker compose up".

x-logging: &logging
  driver: json-file
  options:
    max-size: "10m"
    max-file: "3"

services:
  web:
    image: registry.example.org/harbour/web:3.4.1
    restart: unless-stopped
    ports:
      - "8080:80"
      - "8443:443"
    environment:
      LOG_LEVEL: info # debug is too much
      WORKERS: 4
      TZ: UTC
    logging: *logging
    depends_on: [db, cache]

  # The one that keeps everything
  db:
    image: postgres:17
    command: >
      postgres
      -c shared_buffers=256MB
      -c max_connections=200
    environment:
      POSTGRES_USER: ada
      POSTGRES_DB: harbour
    volumes:
      - data:/var/lib/postgresql/data
      - ./init.sql:/docker-entrypoint-initdb.d/init.sql:ro
    healthcheck:
      test: ["CMD-SHELL", "pg_isready -U ada"]
      interval: 10s
      retries: 5
    logging: *logging

  cache:
    image: redis:8
    command: ['redis-server', '--save', '']

volumes:
  data: {}
`

export const manifests = `apiVersion: v1
kind: ConfigMap
metadata:
  name: tides
  namespace: harbour
  labels: {app: tides, tier: backend}
data:
  table.txt: |
    # high   low
    06:12    12:30

    18:40    00:55
  mode: "on"
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web
  namespace: harbour
spec:
  replicas: 3 # one for each pier
  selector:
    matchLabels:
      app: web
  template:
    spec:
      containers:
      - name: web
        image: registry.example.org/web:1.2.3
        env:
        - name: LOG_LEVEL
          value: info
        - name: TIDES
          valueFrom:
            configMapKeyRef: {name: tides, key: mode}
        resources:
          limits:
            cpu: 500m
            memory: 256Mi
      - name: proxy
        image: registry.example.org/proxy:0.9
        args:
        - --listen=8080
        - --upstream=localhost:3000
---
# Reached from outside
apiVersion: v1
kind: Service
metadata:
  name: web
  namespace: harbour
spec:
  type: ClusterIP
  ports:
  - name: http
    port: 80
    targetPort: 8080
`

export const workflow = `name: check
on:
  push:
    branches: [main]
  pull_request:

permissions:
  contents: read

jobs:
  test:
    runs-on: \${{ matrix.os }}
    strategy:
      fail-fast: false
      matrix:
        os: [ubuntu-latest, macos-latest]
        node: [22, 24]
        include:
          - os: windows-latest
            node: 24
    steps:
      - uses: actions/checkout@v5
        with:
          fetch-depth: 0
      - name: Install
        run: npm ci

      # everything that can fail
      - name: Check
        run: |
          npm run lint
          npm run types
          npm test -- --coverage
        env:
          CI: true
          SEED: 12
      - name: Keep the report
        if: always()
        uses: actions/upload-artifact@v5
        with: { name: report, path: coverage }
  done:
    needs: test
    runs-on: ubuntu-latest
    steps:
      - run: echo done
`
