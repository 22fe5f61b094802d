{{/*
Secrets: what the chart keeps in a Secret of its own, and where in the pod each secret is a file.
A secret is a file and never a variable of the environment, which child processes and dumps show.
*/}}

{{- define "webhooks.secretsFolder" -}}/run/secrets/boottify-webhooks{{- end }}

{{/* The secrets, as a list of {file, value, existingSecret} in JSON; who has neither is left out. */}}
{{- define "webhooks.secrets" -}}
{{- $all := list
  (dict "file" "broker-url" "value" .Values.broker.url "existingSecret" .Values.broker.existingSecret) }}
{{- with .Values.store }}
{{- if eq .type "postgres" }}
{{- $all = append $all (dict "file" "store-url" "value" .postgres.url "existingSecret" .postgres.existingSecret) }}
{{- end }}
{{- if ne .type "file" }}
{{- $all = append $all (dict "file" "encryption-key" "value" .encryptionKey.value "existingSecret" .encryptionKey.existingSecret) }}
{{- $all = append $all (dict "file" "earlier-encryption-key" "value" .earlierEncryptionKey.value "existingSecret" .earlierEncryptionKey.existingSecret) }}
{{- end }}
{{- end }}
{{- with .Values.deliveryLog.postgres }}
{{- $all = append $all (dict "file" "log-url" "value" .url "existingSecret" .existingSecret) }}
{{- end }}
{{- with .Values.admin }}
{{- $lines := list }}
{{- range .tokens }}
{{- $lines = append $lines (printf "%s %s %s" .name .role .token) }}
{{- end }}
{{- $all = append $all (dict "file" "admin-tokens" "value" (join "\n" $lines) "existingSecret" .existingSecret) }}
{{- end }}
{{- range .Values.webhooks }}
{{- $all = append $all (dict "file" .id "value" .secret "existingSecret" .existingSecret) }}
{{- $all = append $all (dict "file" (printf "%s.previous" .id) "value" .previous_secret "existingSecret" .existingPreviousSecret) }}
{{- end }}
{{- $given := list }}
{{- range $all }}
{{- if or .value (dig "name" "" (.existingSecret | default dict)) }}
{{- $given = append $given . }}
{{- end }}
{{- end }}
{{- toJson $given }}
{{- end }}

{{/* The files of secrets that are there, for the configuration to name. */}}
{{- define "webhooks.secretFiles" -}}
{{- $files := dict }}
{{- range include "webhooks.secrets" . | fromJsonArray }}
{{- $_ := set $files .file (printf "%s/%s" (include "webhooks.secretsFolder" $) .file) }}
{{- end }}
{{- toJson $files }}
{{- end }}

{{/* What this release's own Secret holds, in JSON. */}}
{{- define "webhooks.ownSecrets" -}}
{{- $own := dict }}
{{- range include "webhooks.secrets" . | fromJsonArray }}
{{- if not (dig "name" "" (.existingSecret | default dict)) }}
{{- $_ := set $own .file .value }}
{{- end }}
{{- end }}
{{- toJson $own }}
{{- end }}

{{/*
Sources of the projected volume. References are optional, so that the pod starts without the Secret
or its key, and the program says in its log which file it misses.
*/}}
{{- define "webhooks.secretSources" -}}
{{- with include "webhooks.ownSecrets" . | fromJson }}
- secret:
    name: {{ include "webhooks.fullname" $ }}
{{- end }}
{{- range include "webhooks.secrets" . | fromJsonArray }}
{{- $file := .file }}
{{- with .existingSecret }}
{{- if .name }}
- secret:
    name: {{ .name }}
    optional: true
    items:
      - key: {{ .key | quote }}
        path: {{ $file }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
