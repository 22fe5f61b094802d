{{/* What the pods of the Deployment and of `helm test` have in common, and how they end. */}}

{{- define "webhooks.pod" -}}
serviceAccountName: {{ include "webhooks.serviceAccount" . }}
automountServiceAccountToken: false
# Not needed, and one variable more per Service of the namespace.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- define "webhooks.spread" -}}
{{- with .Values.topologySpread }}
{{- if .enabled }}
topologySpreadConstraints:
  {{- range .topologyKeys }}
  - maxSkew: 1
    topologyKey: {{ . }}
    whenUnsatisfiable: {{ $.Values.topologySpread.whenUnsatisfiable }}
    labelSelector:
      matchLabels:
        {{- include "webhooks.selector" $ | nindent 8 }}
  {{- end }}
{{- end }}
{{- end }}
{{- end }}

{{/* Nothing where there is no need to wait. */}}
{{- define "webhooks.preStopSeconds" -}}
{{- $seconds := int .Values.shutdown.preStopSleepSeconds }}
{{- if and $seconds (include "webhooks.adminOpen" .) }}{{ $seconds }}{{ end }}
{{- end }}

{{/* The wait, the drain, 5 s for the last acknowledgements, and 5 s more. */}}
{{- define "webhooks.terminationSeconds" -}}
{{- add (include "webhooks.preStopSeconds" . | default "0" | int) (int .Values.shutdown.graceSeconds) 10 }}
{{- end }}

{{/* The secrets that are only read at the start; those of webhooks are followed. */}}
{{- define "webhooks.rollingSecrets" -}}
{{- $own := include "webhooks.ownSecrets" . | fromJson }}
{{- range .Values.webhooks }}
{{- $own = omit $own .id (printf "%s.previous" .id) }}
{{- end }}
{{- toJson $own }}
{{- end }}
