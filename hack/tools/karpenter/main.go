// Karpenter with its KWOK provider, whose machines can be sold out.
//
// LIMITS_FILE_PATH names a JSON file of how many machines there are of a type, or of a type and kind of capacity, such as
// {"gpu-8x-h100": 2, "gpu-8x-h100/spot": 0}. What it does not name is without limit. It is read at every order, so it can
// be changed at any time; machines that run already stay. As a cloud's fleet API does, an order takes the cheapest
// offering that is left, and is refused when there is none.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	kwok "sigs.k8s.io/karpenter/kwok/cloudprovider"
	v1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/karpenter/pkg/cloudprovider"
	"sigs.k8s.io/karpenter/pkg/cloudprovider/overlay"
	"sigs.k8s.io/karpenter/pkg/controllers"
	"sigs.k8s.io/karpenter/pkg/controllers/state"
	"sigs.k8s.io/karpenter/pkg/operator"
	"sigs.k8s.io/karpenter/pkg/scheduling"
)

func main() {
	ctx, op := operator.NewOperator()
	machines, err := kwok.ConstructInstanceTypes(ctx)
	if err != nil {
		panic(err)
	}
	limited := &limitedProvider{
		CloudProvider: kwok.NewCloudProvider(ctx, op.GetClient(), machines),
		client:        op.GetClient(),
		machines:      machines,
		path:          os.Getenv("LIMITS_FILE_PATH"),
		granted:       map[types.UID]offer{},
	}
	provider := overlay.Decorate(limited, op.GetClient(), op.InstanceTypeStore)
	cluster := state.NewCluster(op.Clock, op.GetClient(), provider)
	op.WithControllers(ctx, controllers.NewControllers(ctx, op.Manager, op.Clock, op.GetClient(), op.EventRecorder,
		provider, limited, cluster, op.InstanceTypeStore)...).Start(ctx)
}

// offer is a machine type and a kind of capacity.
type offer struct{ machine, capacity string }

// keys are the names under which a limits file may speak of an offer.
func (o offer) keys() []string { return []string{o.machine, o.machine + "/" + o.capacity} }

// limitedProvider grants orders one after the other; `granted` bridges the time until a NodeClaim tells what it got.
type limitedProvider struct {
	cloudprovider.CloudProvider
	client   client.Client
	machines []*cloudprovider.InstanceType
	path     string
	lock     sync.Mutex
	granted  map[types.UID]offer
}

// Create orders the cheapest machine that fits and is left.
func (p *limitedProvider) Create(ctx context.Context, claim *v1.NodeClaim) (*v1.NodeClaim, error) {
	p.lock.Lock()
	defer p.lock.Unlock()
	limits, err := p.limits()
	if err != nil {
		return nil, err
	}
	taken, err := p.taken(ctx)
	if err != nil {
		return nil, err
	}
	wanted := scheduling.NewNodeSelectorRequirementsWithMinValues(claim.Spec.Requirements...)
	var chosen offer
	var price float64
	var refusals []string
	for _, machine := range p.machines {
		if !wanted.Get(corev1.LabelInstanceTypeStable).Has(machine.Name) {
			continue
		}
		for _, offering := range machine.Offerings.Available().Compatible(wanted) {
			found := offer{machine.Name, offering.CapacityType()}
			if why := soldOut(found, limits, taken); why != "" {
				refusals = append(refusals, why)
			} else if chosen.machine == "" || offering.Price < price {
				chosen, price = found, offering.Price
			}
		}
	}
	if chosen.machine == "" {
		return nil, cloudprovider.NewInsufficientCapacityError(errors.New(strings.Join(refusals, ", ")))
	}
	created, err := p.CloudProvider.Create(ctx, narrowed(claim, chosen))
	if err == nil {
		p.granted[claim.UID] = chosen
	}
	return created, err
}

func (p *limitedProvider) limits() (map[string]int, error) {
	limits := map[string]int{}
	text, err := os.ReadFile(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return limits, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &limits)
	}
	return limits, err
}

// taken counts machines by key: ordered ones too, and those that are going until they are gone.
func (p *limitedProvider) taken(ctx context.Context) (map[string]int, error) {
	claims := &v1.NodeClaimList{}
	if err := p.client.List(ctx, claims); err != nil {
		return nil, err
	}
	taken, granted := map[string]int{}, map[types.UID]offer{}
	for _, claim := range claims.Items {
		got, known := p.granted[claim.UID]
		if known {
			granted[claim.UID] = got
		} else if claim.Status.ProviderID != "" {
			got = offer{claim.Labels[corev1.LabelInstanceTypeStable], claim.Labels[v1.CapacityTypeLabelKey]}
		} else {
			continue
		}
		for _, key := range got.keys() {
			taken[key]++
		}
	}
	p.granted = granted
	return taken, nil
}

func soldOut(wanted offer, limits, taken map[string]int) string {
	for _, key := range wanted.keys() {
		if limit, limited := limits[key]; limited && taken[key] >= limit {
			return fmt.Sprintf("%s: none left, %d of %d are taken", key, taken[key], limit)
		}
	}
	return ""
}

// narrowed is the claim with the choice made, so that the provider makes no other.
func narrowed(claim *v1.NodeClaim, chosen offer) *v1.NodeClaim {
	order := claim.DeepCopy()
	order.Spec.Requirements = []v1.NodeSelectorRequirementWithMinValues{
		{Key: corev1.LabelInstanceTypeStable, Operator: corev1.NodeSelectorOpIn, Values: []string{chosen.machine}},
		{Key: v1.CapacityTypeLabelKey, Operator: corev1.NodeSelectorOpIn, Values: []string{chosen.capacity}},
	}
	for _, row := range claim.Spec.Requirements {
		if row.Key != corev1.LabelInstanceTypeStable && row.Key != v1.CapacityTypeLabelKey {
			order.Spec.Requirements = append(order.Spec.Requirements, row)
		}
	}
	return order
}
