// Only the CRD of ScaledObject is used, so nothing is imported and `go mod tidy` would empty this file: change the version
// here, then run `go mod download` to renew go.sum.
module leeward.dev/tools/keda

go 1.26.7

require github.com/kedacore/keda/v2 v2.21.0
