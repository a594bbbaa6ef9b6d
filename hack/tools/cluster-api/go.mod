// Only the CRD files of these modules are used, so nothing is imported and `go mod tidy` would empty this file:
// change a version here, then run `go mod download` to renew go.sum.
module leeward.dev/tools/cluster-api

go 1.26.7

require (
	sigs.k8s.io/cluster-api v1.14.2
	sigs.k8s.io/cluster-api-provider-aws/v2 v2.13.0
	sigs.k8s.io/cluster-api-provider-gcp v1.13.1
)
