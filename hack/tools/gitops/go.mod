// Only files of these modules are used: the CRDs that examples/ and the chart are checked against. So there is
// nothing to build and `go mod tidy` would empty this; change a version here and run `go mod download` with each module.
module leeward.dev/tools/gitops

go 1.26.0

require (
	github.com/argoproj/argo-cd/v3 v3.5.0
	github.com/cert-manager/cert-manager v1.18.2
	github.com/fluxcd/helm-controller/api v1.6.5
	github.com/fluxcd/kustomize-controller v1.9.6
	github.com/fluxcd/source-controller v1.9.6
	github.com/prometheus-operator/prometheus-operator v0.85.0
)
