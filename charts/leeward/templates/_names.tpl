{{/* The name of everything: the release's, which is `leeward` where docs/install.md is followed. */}}
{{- define "leeward.name" -}}
{{- if contains "leeward" .Release.Name }}{{ .Release.Name | trunc 50 | trimSuffix "-" }}{{ else }}{{ printf "%s-leeward" .Release.Name | trunc 50 | trimSuffix "-" }}{{ end }}
{{- end }}

{{- define "leeward.selector" -}}
app.kubernetes.io/name: leeward
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "leeward.labels" -}}
{{ include "leeward.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: leeward
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "leeward.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (include "leeward.name" .) }}
{{- end }}

{{- define "leeward.image" -}}
{{- $image := .Values.image }}
{{- if not $image.repository }}
{{- fail "image.repository is empty: no image of Leeward is published yet. Build one with `make image`, push it to your registry, and name it, for example with --set image.repository=registry.example.com/leeward" }}
{{- end }}
{{- if $image.digest }}{{ $image.repository }}@{{ $image.digest }}{{ else }}{{ $image.repository }}:{{ $image.tag | default .Chart.AppVersion }}{{ end }}
{{- end }}
