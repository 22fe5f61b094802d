{{/* URLs: their ports, and which of them the program refuses. They may hold a password, which the
schema would quote where a pattern does not match: it knows the scheme only. */}}

{{/* The port of a URL, also where its scheme alone says it; of a name server's address, the one that
it names. Nothing where there is none. */}}
{{- define "webhooks.port" -}}
{{- $scheme := regexFind "^[a-z]+://" . | trimSuffix "://" }}
{{- $authority := regexReplaceAll "^([a-z]+://)?([^/?#]*@)?([^/?#]*).*$" . "${3}" }}
{{- $named := regexFind "(^[^:]*|\\]):[0-9]+$" $authority | regexFind "[0-9]+$" }}
{{- $usual := dict "amqp" 5672 "amqps" 5671 "postgres" 5432 "postgresql" 5432 "http" 80 "https" 443 }}
{{- $named | default (get $usual $scheme) }}
{{- end }}

{{- define "webhooks.refusedUrls" -}}
{{- $wrong := list }}
{{- $port := "(:0*([1-9][0-9]{0,3}|[1-5][0-9]{4}|6[0-4][0-9]{3}|65[0-4][0-9]{2}|655[0-2][0-9]|6553[0-5]))?" }}
{{- $user := "([^\\s/?#]*@)?" }}
{{- $name := "[^\\s/?#@\\\\:<>^|%\\[\\]]+" }}
{{- $address := "\\[[0-9A-Fa-f:.]+\\]" }}
{{- $amqp := print "^amqps?://" $user $name $port "([/?#]\\S*)?$" }}
{{- /* Without a host, a query can name a socket. */}}
{{- $postgres := print "^postgres(ql)?://(" $user "(" $name "|" $address ")" $port ")?([/?#]\\S*)?$" }}
{{- $http := print "^https?://(" $name "|" $address ")" $port "([/?\\\\][^\\s#]*)?$" }}
{{- $given := list
  (list "broker" .Values.broker.url $amqp "a URL such as amqp://user:password@host:5672/vhost")
  (list "store/postgres" .Values.store.postgres.url $postgres "a URL such as postgres://user:password@host:5432/name")
  (list "deliveryLog/postgres" .Values.deliveryLog.postgres.url $postgres "a URL such as postgres://user:password@host:5432/name") }}
{{- range $at, $webhook := .Values.webhooks }}
{{- $given = append $given (list (printf "webhooks/%d" $at) .url $http "a URL such as https://example.com/hook: a host, a port up to 65535, no user and no fragment (#…)") }}
{{- end }}
{{- range $given }}
{{- $url := index . 1 }}
{{- if and $url (not (regexMatch (index . 2) $url)) }}
{{- $wrong = append $wrong (printf "'/%s/url': expected %s" (first .) (last .)) }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}
