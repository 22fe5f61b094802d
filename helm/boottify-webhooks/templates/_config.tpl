{{/* The program's files: config.toml and webhooks.toml. */}}

{{/* A value in TOML. What JSON writes for texts, numbers and booleans reads the same there. */}}
{{- define "webhooks.toml" -}}
{{- if kindIs "map" . -}}
{ {{ $first := true }}{{ range $key, $value := . }}{{ if not $first }}, {{ end }}{{ $first = false }}{{ toJson $key }} = {{ include "webhooks.toml" $value }}{{ end }} }
{{- else if kindIs "slice" . -}}
[{{ range $index, $value := . }}{{ if $index }}, {{ end }}{{ include "webhooks.toml" $value }}{{ end }}]
{{- else -}}
{{ toJson . }}
{{- end -}}
{{- end }}

{{/* Keys and values of a table, then the tables in it. Takes {name, table}. */}}
{{- define "webhooks.table" -}}
[{{ .name }}]
{{- range $key, $value := .table }}
{{- if not (kindIs "map" $value) }}
{{ $key }} = {{ include "webhooks.toml" $value }}
{{- end }}
{{- end }}
{{- range $key, $value := .table }}
{{- if kindIs "map" $value }}

{{ include "webhooks.table" (dict "name" (printf "%s.%s" $.name $key) "table" $value) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "webhooks.publicUrl" -}}
{{- if .Values.admin.publicUrl }}{{ .Values.admin.publicUrl }}
{{- else if and .Values.ingress.enabled .Values.ingress.hosts }}
{{- printf "%s://%s" (ternary "https" "http" (not (empty .Values.ingress.tls))) (first .Values.ingress.hosts) }}
{{- else if and .Values.httpRoute.enabled .Values.httpRoute.hostnames }}
{{- printf "https://%s" (first .Values.httpRoute.hostnames) }}
{{- end }}
{{- end }}

{{- define "webhooks.configFile" -}}
{{- $state := "/var/lib/boottify-webhooks" }}
{{- $files := include "webhooks.secretFiles" . | fromJson }}
{{- $broker := dict "url_file" (get $files "broker-url") }}
{{- $webhooks := dict "state_dir" $state }}
{{- if eq .Values.store.type "sqlite" }}
{{- $_ := set $webhooks "store" (printf "sqlite://%s/webhooks.db" $state) }}
{{- else if eq .Values.store.type "file" }}
{{- $_ := set $webhooks "store" "file:///etc/boottify-webhooks/webhooks/webhooks.toml" }}
{{- else }}
{{- $_ := set $webhooks "store_file" (get $files "store-url") }}
{{- end }}
{{- range $key, $file := dict "encryption_key_file" "encryption-key" "earlier_encryption_key_file" "earlier-encryption-key" }}
{{- with get $files $file }}
{{- $_ := set $webhooks $key . }}
{{- end }}
{{- end }}
{{- $log := dict }}
{{- with get $files "log-url" }}
{{- $_ := set $log "store_file" . }}
{{- end }}
{{- $open := include "webhooks.adminOpen" . }}
{{- $admin := dict "enabled" .Values.admin.enabled "listen" (printf "%s:8080" (ternary .Values.bindAddress "127.0.0.1" (eq $open "true"))) }}
{{- with get $files "admin-tokens" }}
{{- $_ := set $admin "tokens_file" . }}
{{- end }}
{{- with include "webhooks.publicUrl" . }}
{{- $_ := set $admin "public_url" . }}
{{- end }}
{{- $operations := dict "listen" (printf "%s:9464" .Values.bindAddress) }}
{{- $shutdown := dict "grace" (printf "%ds" (int .Values.shutdown.graceSeconds)) }}
{{- $own := dict "broker" $broker "webhooks" $webhooks "delivery_log" $log "admin" $admin "operations" $operations "shutdown" $shutdown }}
# From the values of release {{ .Release.Name }}.
{{- range $name, $table := mergeOverwrite (deepCopy .Values.config) $own }}
{{- if $table }}

{{ include "webhooks.table" (dict "name" $name "table" $table) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "webhooks.webhooksFile" -}}
{{- $files := include "webhooks.secretFiles" . | fromJson }}
# From the values of release {{ .Release.Name }}; each secret is a file of its own.
{{- if not .Values.webhooks }}
webhooks = []
{{- end }}
{{- range .Values.webhooks }}

[[webhooks]]
{{- range $key, $value := omit . "secret" "previous_secret" "existingSecret" "existingPreviousSecret" }}
{{ $key }} = {{ include "webhooks.toml" $value }}
{{- end }}
secret_file = {{ get $files .id | toJson }}
{{- with get $files (printf "%s.previous" .id) }}
previous_secret_file = {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}
