/**
 * Documents as they are found in repositories: TOML.
 *
 * @module
 */

export const cargo = `[package]
name = "harbour"
version = "3.4.1"
edition = "2024"
authors = ["Ada <ada@example.org>"]
license = "Apache-2.0"

# What every build needs
[dependencies]
anchor = "1.2"
buoy = { version = "0.9", features = ["light", "bell"] } # no default features
compass = { path = "../compass" }
serde = { version = "1", features = ["derive"], optional = true }

[dev-dependencies]
tempfile = "3"

[features]
default = ["tides"]
tides = []
full = [
    "tides",
    "dep:serde", # needs the derive
    "compass/north",
]

[[bin]]
name = "pilot"
path = "src/bin/pilot.rs"

[[bin]]
name = "keeper"
path = "src/bin/keeper.rs"
required-features = ["full"]

[profile.release]
lto = true
codegen-units = 1
opt-level = 3

[profile.release.package."*"]
opt-level = "s"
`

export const pyproject = `# Built by setuptools, checked by ruff.

[build-system]
requires = ["setuptools>=70", "wheel"]
build-backend = "setuptools.build_meta"

[project]
name = "harbour"
version = "1.4.0"
description = """
Berths, tides and ships,
one line each."""
requires-python = ">=3.11"
readme = 'README.md'
dependencies = [
  "httpx>=0.27",
  "pydantic>=2",
  "rich",
]

[[project.authors]]
name = "Ada"
email = "ada@example.org"

[[project.authors]]
name = "Grace"
email = "grace@example.org"

[project.optional-dependencies]
dev = ["pytest>=8", "ruff"]
docs = ["sphinx"]

[project.urls]
homepage = "https://harbour.example.org"
"issue tracker" = "https://harbour.example.org/issues"

[tool.ruff]
line-length = 100
target-version = "py311"
lint.select = ["E", "F", "I"]
lint.ignore = ["E501"]

[tool.pytest.ini_options]
addopts = "-q --strict-markers"
`

export const service = `title = "Harbour" # shown on top
started = 2024-05-27T07:32:00Z
ratio = 1.50
mask = 0xff_00
enabled = true
owner.name = "Ada"
owner.since = 2019-01-01

[servers]

  # Indented, as some like it
  [servers.alpha]
  ip = "10.0.0.1"
  role = "frontend"

  [servers.beta]
  ip = "10.0.0.2"
  role = "backend"

[[routes]]
id = 1
path = "/"
  [routes.limits]
  rate = 100

  [[routes.rules]]
  name = "deny"
  from = ["10.0.0.0/8"]

[[routes]]
id = 2
path = "/api"
  [routes.limits]
  rate = 20
`
