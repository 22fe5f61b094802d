{{/* Names, labels, the image. */}}

{{- define "webhooks.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{/* 48 characters leave room for what is appended. */}}
{{- define "webhooks.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 48 | trimSuffix "-" }}
{{- else if contains (include "webhooks.name" .) .Release.Name }}
{{- .Release.Name | trunc 48 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "webhooks.name" .) | trunc 48 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "webhooks.selector" -}}
app.kubernetes.io/name: {{ include "webhooks.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "webhooks.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{ include "webhooks.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "webhooks.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- default (include "webhooks.fullname" .) .Values.serviceAccount.name }}
{{- else }}
{{- default "default" .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "webhooks.image" -}}
{{- with .Values.image }}
{{- if .digest }}{{ .repository }}@{{ .digest }}
{{- else }}{{ .repository }}:{{ .tag | default $.Chart.AppVersion }}
{{- end }}
{{- end }}
{{- end }}

{{/* "true" where the page can be reached from outside of the pod. */}}
{{- define "webhooks.adminOpen" -}}
{{- with .Values.admin }}
{{- if and .enabled (or .tokens .existingSecret.name) }}true{{ end }}
{{- end }}
{{- end }}

{{/* "true" where there is a collector of traces, also where the environment names it. */}}
{{- define "webhooks.traced" -}}
{{- $names := include "webhooks.collectorVariables" . | fromJsonArray }}
{{- $found := dig "traces" "endpoint" "" .Values.config | not | not }}
{{- range .Values.extraEnv }}
{{- $found = or $found (has .name $names) }}
{{- end }}
{{- if $found }}true{{ end }}
{{- end }}

{{/* "true" where something else than the chart says how many replicas there are. */}}
{{- define "webhooks.scaled" -}}
{{- if or .Values.autoscaling.enabled .Values.keda.enabled }}true{{ end }}
{{- end }}
