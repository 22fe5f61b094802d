{{/* How long and how large what stands under `config` may be, as the program's own list of keys has
it; a test compares. Numbers have their bounds in the schema. */}}

{{- define "webhooks.boundsOfConfig" -}}
broker.heartbeat: [1s, 5m]
broker.deadline: [1s, 5m]
broker.max_large_bytes: [1MiB, 1GiB]
events.max_bytes: [1KiB, 16MiB]
webhooks.disable_after: [1s, 365days]
webhooks.secret_overlap: [0s, 30days]
webhooks.breaker.first_pause: [1s, 1h]
webhooks.breaker.max_pause: [1s, 1h]
delivery_log.max_age: [1h, 3650days]
delivery_log.max_waiting_bytes: [1MiB, 4GiB]
delivery.connect_timeout: [100ms, 1m]
delivery.timeout: [1s, 5m]
delivery.max_response_bytes: [1KiB, 16MiB]
delivery.idle_timeout: [1s, 10m]
delivery.dns_max_ttl: [1s, 24h]
retry.first_delay: [1s, 24h]
retry.max_delay: [1s, 24h]
retry.give_up_after: [1s, 30days]
retry.retry_after_max: [1s, 24h]
dead.max_age: [1m, 3650days]
dead.max_bytes: [1MiB, 1024GiB]
dead.check_every: [1s, 1day]
admin.session: [1m, 30days]
admin.timeout: [1s, 5m]
admin.answer_after: [1ms, 1m]
audit.max_age: [1day, 3650days]
operations.timeout: [1s, 5m]
traces.timeout: [100ms, 1m]
{{- end }}

{{/* What is beyond them, also in the retry of each webhook. */}}
{{- define "webhooks.bounds" -}}
{{- $wrong := list }}
{{- $bounds := include "webhooks.boundsOfConfig" . | fromYaml }}
{{- $given := list }}
{{- range $key, $bound := $bounds }}
{{- $value := $.Values.config }}
{{- range splitList "." $key }}
{{- $value = get ($value | default dict) . }}
{{- end }}
{{- $given = append $given (list (printf "config/%s" (replace "." "/" $key)) $value $bound) }}
{{- end }}
{{- range $at, $webhook := .Values.webhooks }}
{{- range $key := list "first_delay" "max_delay" "give_up_after" "retry_after_max" }}
{{- $value := get ($webhook.retry | default dict) $key }}
{{- $given = append $given (list (printf "webhooks/%d/retry/%s" $at $key) $value (get $bounds (printf "retry.%s" $key))) }}
{{- end }}
{{- end }}
{{- range $given }}
{{- $value := index . 1 }}
{{- if $value }}
{{- $measure := ternary "webhooks.bytes" "webhooks.nanoseconds" (regexMatch "[Bb]$" $value) }}
{{- $measured := include $measure $value | float64 }}
{{- $least := first (last .) }}
{{- $most := last (last .) }}
{{- $never := and (eq (first .) "config/webhooks/disable_after") (eq $measured 0.0) }}
{{- if $never }}
{{- else if or (lt $measured (include $measure $least | float64)) (gt $measured (include $measure $most | float64)) }}
{{- $wrong = append $wrong (printf "'/%s': %s is not within %s and %s" (first .) $value $least $most) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* A duration as the program reads it, such as 1h 30m; those of Prometheus are read alike. */}}
{{- define "webhooks.nanoseconds" -}}
{{- $units := dict }}
{{- range $nanoseconds, $names := dict "1" "nanos nsec ns" "1e3" "usec us" "1e6" "millis msec ms" "1e9" "seconds second secs sec s" "60e9" "minutes minute mins min m" "3600e9" "hours hour hrs hr h" "86400e9" "days day d" "604800e9" "weeks week wks wk w" "2630016e9" "months month M" "31557600e9" "years year yrs yr y" }}
{{- range splitList " " $names }}
{{- $_ := set $units . ($nanoseconds | float64) }}
{{- end }}
{{- end }}
{{- $all := 0.0 }}
{{- range regexFindAll "[0-9.]+ ?[A-Za-z]+" . -1 }}
{{- $all = addf $all (mulf (regexFind "[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]+" .))) }}
{{- end }}
{{- $all }}
{{- end }}

{{/* A size as the program reads it: 64KiB, 1 MiB, 500kB. */}}
{{- define "webhooks.bytes" -}}
{{- $unit := regexFind "[A-Za-z]+" . | lower }}
{{- mulf (regexFind "[0-9]+" . | float64) (get (dict "b" 1 "kb" 1e3 "mb" 1e6 "gb" 1e9 "kib" 1024 "mib" 1048576 "gib" 1073741824) $unit) }}
{{- end }}
