{{/* Where the NetworkPolicy lets the program go. */}}

{{/* The networks of the address guard (crates/delivery/src/guard/ranges.rs); a test compares. */}}

{{- define "webhooks.privateV4" -}}
["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "168.63.129.16/32", "169.254.0.0/16",
 "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.31.196.0/24", "192.52.193.0/24",
 "192.88.99.0/24", "192.168.0.0/16", "192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24",
 "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"]
{{- end }}
{{- define "webhooks.privateV6" -}}
["::/128", "::1/128", "64:ff9b:1::/48", "100::/64", "100:0:0:1::/64", "2001:1::/32", "2001:2::/48",
 "2001:3::/32", "2001:4:112::/48", "2001:10::/28", "2001:20::/28", "2001:30::/28", "2001:db8::/32",
 "2620:4f:8000::/48", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8"]
{{- end }}

{{/* What a rule of the policy opens: the ports of the values and those of URLs. Takes {ports, urls}. */}}
{{- define "webhooks.openPorts" -}}
{{- $ports := list }}
{{- range .ports }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- range .urls }}
{{- with include "webhooks.port" (. | default "") }}
{{- $ports = append $ports (int .) }}
{{- end }}
{{- end }}
{{- range uniq $ports }}
- {port: {{ . }}, protocol: TCP}
{{- end }}
{{- end }}

{{/* Where the collector of traces is, as far as the values say it. */}}
{{- define "webhooks.collectorUrls" -}}
{{- $urls := list (dig "traces" "endpoint" "" .Values.config) }}
{{- range .Values.extraEnv }}
{{- if has .name (include "webhooks.collectorVariables" $ | fromJsonArray) }}
{{- $urls = append $urls (.value | default "" | trim) }}
{{- end }}
{{- end }}
{{- toJson $urls }}
{{- end }}

{{- define "webhooks.collectorVariables" -}}
["OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "BOOTTIFY_WEBHOOKS__TRACES__ENDPOINT"]
{{- end }}

{{/* Networks that are not written as one: 10.1.2.3/8 opens far more than it seems to. */}}
{{- define "webhooks.beyondPrefix" -}}
{{- $wrong := list }}
{{- range list (list "delivery" "allow_addresses") (list "admin" "trusted_proxies") }}
{{- $path := join "/" . }}
{{- range $at, $network := dig (first .) (last .) list $.Values.config }}
{{- if include "webhooks.hasBitsBeyond" $network }}
{{- $wrong = append $wrong (printf "'/config/%s/%d': %s has bits beyond the prefix length; write the network, such as 10.0.0.0/8" $path $at $network) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $wrong }}
{{- end }}

{{/* "true" where a part of the address holds a bit that its share of the prefix does not cover. */}}
{{- define "webhooks.hasBitsBeyond" -}}
{{- $address := first (splitList "/" .) }}
{{- $left := last (splitList "/" .) | int }}
{{- $width := ternary 8 16 (contains "." $address) }}
{{- $parts := include "webhooks.partsOfAddress" $address | fromJsonArray }}
{{- $found := false }}
{{- range $parts }}
{{- $covered := min (max $left 0) $width }}
{{- $block := 1 }}
{{- range until (int (sub $width $covered)) }}
{{- $block = mul $block 2 }}
{{- end }}
{{- if mod (int64 .) $block }}{{ $found = true }}{{ end }}
{{- $left = sub $left $width }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}

{{/* The numbers of an address. One of IPv4 within IPv6 has none: it is left to the program. */}}
{{- define "webhooks.partsOfAddress" -}}
{{- $parts := list }}
{{- if not (contains ":" .) }}
{{- $parts = splitList "." . }}
{{- else if not (contains "." .) }}
{{- $sides := splitList "::" . }}
{{- $ends := compact (splitList ":" (last $sides)) }}
{{- range compact (splitList ":" (first $sides)) }}
{{- $parts = append $parts (printf "0x%s" .) }}
{{- end }}
{{- if gt (len $sides) 1 }}
{{- range until (int (sub 8 (add (len $parts) (len $ends)))) }}
{{- $parts = append $parts "0x0" }}
{{- end }}
{{- range $ends }}
{{- $parts = append $parts (printf "0x%s" .) }}
{{- end }}
{{- end }}
{{- end }}
{{- toJson $parts }}
{{- end }}
