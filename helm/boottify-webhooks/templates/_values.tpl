{{/* What the schema cannot say of the values: that one goes with another. Told all at once, each with
its place as the schema names it. */}}

{{- define "webhooks.checkValues" -}}
{{- $wrong := list }}
{{- range $name := list "autoscaling" "keda" }}
{{- $scale := get $.Values $name }}
{{- if gt (int $scale.minReplicas) (int $scale.maxReplicas) }}
{{- $wrong = append $wrong (printf "'/%s/minReplicas': %d is more than maxReplicas, which is %d" $name (int $scale.minReplicas) (int $scale.maxReplicas)) }}
{{- end }}
{{- end }}
{{- $ids := dict }}
{{- range $at, $webhook := .Values.webhooks }}
{{- if hasKey $ids .id }}
{{- $wrong = append $wrong (printf "'/webhooks/%d/id': %s is the id of '/webhooks/%d' too" $at .id (get $ids .id)) }}
{{- else }}
{{- $_ := set $ids .id $at }}
{{- end }}
{{- end }}
{{- $names := dict }}
{{- $tokens := dict }}
{{- range $at, $token := .Values.admin.tokens }}
{{- range $key, $known := dict "name" $names "token" $tokens }}
{{- $value := get $token $key }}
{{- if hasKey $known $value }}
{{- $wrong = append $wrong (printf "'/admin/tokens/%d/%s': it is that of '/admin/tokens/%d' too" $at $key (get $known $value)) }}
{{- else }}
{{- $_ := set $known $value $at }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.serviceMonitor }}
{{- if gt (include "webhooks.milliseconds" .scrapeTimeout | int64) (include "webhooks.milliseconds" .interval | int64) }}
{{- $wrong = append $wrong (printf "'/serviceMonitor/scrapeTimeout': %s is more than interval, which is %s" .scrapeTimeout .interval) }}
{{- end }}
{{- end }}
{{- with $wrong }}
{{- fail (printf "values do not go together:\n- at %s" (join "\n- at " .)) }}
{{- end }}
{{- end }}

{{/* A duration of Prometheus, of one unit. */}}
{{- define "webhooks.milliseconds" -}}
{{- $unit := regexFind "[a-z]+" . }}
{{- mul (regexFind "[0-9]+" . | int64) (get (dict "ms" 1 "s" 1000 "m" 60000 "h" 3600000) $unit) }}
{{- end }}
