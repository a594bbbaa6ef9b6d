"""A region's custom metrics API, from which its HorizontalPodAutoscalers read what pods are busy with.

It stands for prometheus-adapter, whose Go module is not to be had, and does the part of it that a model needs:
`custom.metrics.k8s.io/v1beta2`, metrics of pods, read from the region's real Prometheus. Real are the aggregation layer
of kube-apiserver in front of it (certificates included) and the controller that asks. Not done: metrics of other
objects, metric selectors, configured names and queries, authorisation of its own (only kube-apiserver gets in, by its
client certificate), and label selectors other than those of Leeward's pods, which Prometheus knows by another name.
"""
