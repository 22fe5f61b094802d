{{/* What the schema cannot say of the values, or not in words that help: what is missing, and what
does not go together. Told all at once, each with its place as the schema names it. */}}

{{- define "webhooks.checkValues" -}}
{{- $wrong := list }}
{{- range list "missing" "twice" "bounds" "crossed" "same" "refusedUrls" "refused" "beyondPrefix" "unscalable" }}
{{- $wrong = concat $wrong (include (printf "webhooks.%s" .) $ | fromJsonArray) }}
{{- end }}
{{- with $wrong }}
{{- fail (printf "values are missing, or do not go together:\n- at %s" (join "\n- at " .)) }}
{{- end }}
{{- end }}

{{/* Without these nothing runs. */}}
{{- define "webhooks.missing" -}}
{{- $wrong := list }}
{{- $secret := printf "kubectl -n %s create secret generic" .Release.Namespace }}
{{- if not .Values.image.repository }}
{{- $image := "registry.example.com/platform/boottify-webhooks" }}
{{- $wrong = append $wrong (printf "'/image/repository': it is missing, for nobody publishes this image. Build it from this project's sources (docker build -f deploy/Dockerfile -t %s:%s .), push it (docker push %s:%s) and give its name without the tag" $image .Chart.AppVersion $image .Chart.AppVersion) }}
{{- end }}
{{- if not (or .Values.broker.url .Values.broker.existingSecret.name) }}
{{- $wrong = append $wrong (printf "'/broker/url': it is missing. Where RabbitMQ is can also stand in a Secret that exists: broker.existingSecret.name names it, broker.existingSecret.key its key (now %s). Such a one is made by: %s amqp --from-literal=%s='amqp://user:password@host:5672/vhost'" .Values.broker.existingSecret.key $secret .Values.broker.existingSecret.key) }}
{{- end }}
{{- if eq .Values.store.type "postgres" }}
{{- with .Values.store.postgres }}
{{- if not (or .url .existingSecret.name) }}
{{- $wrong = append $wrong (printf "'/store/postgres/url': it is missing. It can also stand in a Secret that exists: store.postgres.existingSecret.name names it, store.postgres.existingSecret.key its key (now %s). Such a one is made by: %s webhooks-database --from-literal=%s='postgres://user:password@host:5432/name'" .existingSecret.key $secret .existingSecret.key) }}
{{- end }}
{{- end }}
{{- with .Values.store.encryptionKey }}
{{- if not (or .value .existingSecret.name) }}
{{- $wrong = append $wrong (printf "'/store/encryptionKey/value': it is missing. It can also stand in a Secret that exists: store.encryptionKey.existingSecret.name names it, store.encryptionKey.existingSecret.key its key (now %s). Such a one is made by: %s webhooks --from-literal=%s=\"$(openssl rand -base64 32)\"" .existingSecret.key $secret .existingSecret.key) }}
{{- end }}
{{- end }}
{{- end }}
{{- with .Values.admin }}
{{- if and (or $.Values.ingress.enabled $.Values.httpRoute.enabled) (not (or .tokens .existingSecret.name)) }}
{{- $wrong = append $wrong (printf "'/admin/tokens': there are none, and %s opens the page to others. They can also stand in a Secret that exists, a line \"name role token\" for each: admin.existingSecret.name names it, admin.existingSecret.key its key (now %s). Such a one is made by: %s webhooks-tokens --from-literal=%s=\"alice admin $(openssl rand -hex 32)\"" (ternary "ingress.enabled" "httpRoute.enabled" $.Values.ingress.enabled) .existingSecret.key $secret .existingSecret.key) }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* A value, and a Secret that is to have it: which of the two is meant? */}}
{{- define "webhooks.twice" -}}
{{- $wrong := list }}
{{- range list
  (list "broker" "url" .Values.broker)
  (list "store/postgres" "url" .Values.store.postgres)
  (list "store/encryptionKey" "value" .Values.store.encryptionKey)
  (list "store/earlierEncryptionKey" "value" .Values.store.earlierEncryptionKey)
  (list "deliveryLog/postgres" "url" .Values.deliveryLog.postgres)
  (list "admin" "tokens" .Values.admin) }}
{{- $path := first . }}
{{- $key := index . 1 }}
{{- $value := last . }}
{{- if and (get $value $key) $value.existingSecret.name }}
{{- $wrong = append $wrong (printf "'/%s/%s': it is given, and so is '/%s/existingSecret/name' (%s); leave one of the two empty" $path $key $path $value.existingSecret.name) }}
{{- end }}
{{- end }}
{{- range $at, $webhook := .Values.webhooks }}
{{- if and .previous_secret .existingPreviousSecret }}
{{- $wrong = append $wrong (printf "'/webhooks/%d/previous_secret': it is given, and so is '/webhooks/%d/existingPreviousSecret'; leave one of the two out" $at $at) }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* What must not be more than something else. The defaults are those of the program. */}}
{{- define "webhooks.crossed" -}}
{{- $wrong := list }}
{{- $config := .Values.config }}
{{- $retry := merge (deepCopy (dig "retry" dict $config)) (dict "first_delay" "5s" "max_delay" "6h") }}
{{- $pairs := list
  (list "config/retry" "first_delay" "max_delay" $retry)
  (list "config/delivery" "connect_timeout" "timeout" (merge (deepCopy (dig "delivery" dict $config)) (dict "connect_timeout" "5s" "timeout" "15s")))
  (list "config/admin" "answer_after" "timeout" (merge (deepCopy (dig "admin" dict $config)) (dict "answer_after" "6s" "timeout" "30s")))
  (list "config/webhooks/breaker" "first_pause" "max_pause" (merge (deepCopy (dig "webhooks" "breaker" dict $config)) (dict "first_pause" "5s" "max_pause" "1m")))
  (list "serviceMonitor" "scrapeTimeout" "interval" .Values.serviceMonitor) }}
{{- range $at, $webhook := .Values.webhooks }}
{{- if .retry }}
{{- $pairs = append $pairs (list (printf "webhooks/%d/retry" $at) "first_delay" "max_delay" (merge (deepCopy .retry) $retry)) }}
{{- end }}
{{- end }}
{{- range $pairs }}
{{- $less := get (last .) (index . 1) }}
{{- $more := get (last .) (index . 2) }}
{{- if gt (include "webhooks.nanoseconds" $less | float64) (include "webhooks.nanoseconds" $more | float64) }}
{{- $wrong = append $wrong (printf "'/%s/%s': %s is more than %s, which is %s" (first .) (index . 1) $less (index . 2) $more) }}
{{- end }}
{{- end }}
{{- range $name := list "autoscaling" "keda" }}
{{- $scale := get $.Values $name }}
{{- if gt (int $scale.minReplicas) (int $scale.maxReplicas) }}
{{- $wrong = append $wrong (printf "'/%s/minReplicas': %d is more than maxReplicas, which is %d" $name (int $scale.minReplicas) (int $scale.maxReplicas)) }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* What must differ. */}}
{{- define "webhooks.same" -}}
{{- $wrong := list }}
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
{{- $given := dig "broker" "names" dict .Values.config }}
{{- range list
  (dict "events_exchange" "boottify.events" "dead_letter_exchange" "webhooks.dlx" "ops_exchange" "boottify.webhooks.ops")
  (dict "events_queue" "webhooks.events" "deliveries_queue" "webhooks.deliveries" "rejected_queue" "webhooks.rejected" "dead_queue" "webhooks.dead") }}
{{- $seen := dict }}
{{- range $key, $default := . }}
{{- $name := get $given $key | default $default }}
{{- if hasKey $seen $name }}
{{- /* The one that was given is the one to change. */}}
{{- $at := ternary $key (get $seen $name) (hasKey $given $key) }}
{{- $other := ternary (get $seen $name) $key (hasKey $given $key) }}
{{- $wrong = append $wrong (printf "'/config/broker/names/%s': %s is the name of %s too" $at $name $other) }}
{{- else }}
{{- $_ := set $seen $name $key }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* What scales needs something to go by, and somebody who is there. */}}
{{- define "webhooks.unscalable" -}}
{{- $wrong := list }}
{{- $cpu := or (dig "requests" "cpu" "" (.Values.resources | default dict)) (dig "limits" "cpu" "" (.Values.resources | default dict)) }}
{{- if and .Values.autoscaling.enabled (not $cpu) }}
{{- $wrong = append $wrong "'/resources/requests/cpu': it is missing, and autoscaling.enabled goes by the part of it that is used" }}
{{- end }}
{{- if and .Values.keda.enabled .Values.prometheusRule.enabled (lt (int .Values.keda.minReplicas) 1) }}
{{- $wrong = append $wrong "'/keda/minReplicas': it is 0, and prometheusRule.enabled wakes people (BoottifyWebhooksDown) when there is no replica; at least 1" }}
{{- end }}
{{- toJson $wrong }}
{{- end }}
