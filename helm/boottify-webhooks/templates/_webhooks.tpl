{{/* What the program refuses of webhooks from values and the schema cannot see. What is said of the
program's own names is held against it by a test. */}}

{{- define "webhooks.refused" -}}
{{- $wrong := list }}
{{- $http := or (dig "webhooks" "allow_http" false .Values.config) (include "webhooks.fromOutside" (list . "WEBHOOKS__ALLOW_HTTP")) }}
{{- range $at, $webhook := .Values.webhooks }}
{{- $path := printf "'/webhooks/%d" $at }}
{{- if and (hasPrefix "http://" .url) (not $http) }}
{{- $wrong = append $wrong (printf "%s/url': http is not allowed here; use https, or set config.webhooks.allow_http" $path) }}
{{- end }}
{{- range $key := list "secret" "previous_secret" }}
{{- $secret := get $webhook $key | default "" | trim }}
{{- if regexMatch "[\\x00-\\x1f\\x7f-\\x9f]" $secret }}
{{- $wrong = append $wrong (printf "%s/%s': a secret must not hold control characters or line ends" $path $key) }}
{{- else if gt (len $secret) 1024 }}
{{- $wrong = append $wrong (printf "%s/%s': a secret has at most 1024 bytes" $path $key) }}
{{- else if and (hasKey $webhook $key) (not $secret) }}
{{- $wrong = append $wrong (printf "%s/%s': a secret must not be empty" $path $key) }}
{{- end }}
{{- end }}
{{- $wrong = concat $wrong (include "webhooks.refusedHeaders" (list $path (.headers | default dict)) | fromJsonArray) }}
{{- $wrong = concat $wrong (include "webhooks.unknownEvents" (list $ $path .events) | fromJsonArray) }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* "true" where a variable of the program may come from the environment. */}}
{{- define "webhooks.fromOutside" -}}
{{- $values := (first .).Values }}
{{- $name := printf "BOOTTIFY_WEBHOOKS__%s" (last .) }}
{{- $found := not (empty $values.extraEnvFrom) }}
{{- range $values.extraEnv }}
{{- $found = or $found (eq .name $name) }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}

{{/* Those that the service sets itself; those that end with - are beginnings. */}}
{{- define "webhooks.reservedHeaders" -}}
["accept-encoding", "connection", "content-encoding", "content-length", "content-type", "date",
 "expect", "host", "http2-settings", "keep-alive", "proxy-authorization", "proxy-connection", "te",
 "traceparent", "tracestate", "trailer", "transfer-encoding", "upgrade", "user-agent", "via",
 "webhook-", "x-boottify-"]
{{- end }}

{{/* Takes the webhook's path, and its headers. */}}
{{- define "webhooks.refusedHeaders" -}}
{{- $path := first . }}
{{- $wrong := list }}
{{- $seen := dict }}
{{- $bytes := 0 }}
{{- range $name, $value := last . }}
{{- $lower := lower $name }}
{{- $bytes = add $bytes (len $name) (len $value) }}
{{- range include "webhooks.reservedHeaders" $ | fromJsonArray }}
{{- if or (eq . $lower) (and (hasSuffix "-" .) (hasPrefix . $lower)) }}
{{- $wrong = append $wrong (printf "%s/headers/%s': it is set by the service and cannot be changed" $path $name) }}
{{- end }}
{{- end }}
{{- if hasKey $seen $lower }}
{{- $wrong = append $wrong (printf "%s/headers/%s': it is given twice, as %s too" $path $name (get $seen $lower)) }}
{{- end }}
{{- $_ := set $seen $lower $name }}
{{- end }}
{{- if gt (int $bytes) 4096 }}
{{- $wrong = append $wrong (printf "%s/headers': all together may have 4096 bytes, not %d" $path $bytes) }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{- define "webhooks.eventTypes" -}}
["deployment.created", "deployment.succeeded", "deployment.failed", "deployment.canceled", "domain.added"]
{{- end }}

{{/* A pattern that no known type can match is a slip of the pen. Takes all, the path, and the events. */}}
{{- define "webhooks.unknownEvents" -}}
{{- $root := first . }}
{{- $path := index . 1 }}
{{- $wrong := list }}
{{- $known := concat (include "webhooks.eventTypes" $root | fromJsonArray) (dig "events" "extra_types" list $root.Values.config) }}
{{- range $kind := $known }}
{{- $known = append $known (print (first (splitList "." $kind)) ".*") }}
{{- end }}
{{- if not (include "webhooks.fromOutside" (list $root "EVENTS__EXTRA_TYPES")) }}
{{- range $at, $event := last . }}
{{- if not (or (eq $event "*") (has $event $known)) }}
{{- $wrong = append $wrong (printf "%s/events/%d': %s matches no known event type; more can be named in config.events.extra_types" $path $at $event) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}
