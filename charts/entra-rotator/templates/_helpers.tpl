{{- define "entra-rotator.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "entra-rotator.fullname" -}}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" }}
{{- else if contains (include "entra-rotator.name" .) .Release.Name }}
{{- .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name (include "entra-rotator.name" .) | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "entra-rotator.selectorLabels" -}}
app.kubernetes.io/name: {{ include "entra-rotator.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "entra-rotator.labels" -}}
{{ include "entra-rotator.selectorLabels" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | trunc 63 | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "entra-rotator.serviceAccountName" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "entra-rotator.fullname" .) }}
{{- else }}
{{- required "With serviceAccount.create: false, name an existing service account in serviceAccount.name." .Values.serviceAccount.name }}
{{- end }}
{{- end }}

{{- define "entra-rotator.image" -}}
{{- if .Values.image.digest }}
{{- printf "%s@%s" .Values.image.repository .Values.image.digest }}
{{- else }}
{{- printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) }}
{{- end }}
{{- end }}

{{- /* The namespaces in which Secrets are published, as a JSON list: only for the mode Namespaced. */ -}}
{{- define "entra-rotator.tenantNamespaces" -}}
{{- .Values.rbac.namespaces | default (list .Release.Namespace) | uniq | toJson }}
{{- end }}

{{- /* The outputs that are served by name, as JSON: only for the mode Named. Names that do nothing in the chosen mode are refused. */ -}}
{{- define "entra-rotator.outputs" -}}
{{- with .Values.rbac }}
{{- if eq .mode "Named" }}
{{- if not .outputs }}{{ fail "With rbac.mode: Named, list the outputs in rbac.outputs, by namespace." }}{{ end }}
{{- if .namespaces }}{{ fail "With rbac.mode: Named, rbac.namespaces does nothing: list the outputs in rbac.outputs, by namespace." }}{{ end }}
{{- else if .outputs }}{{ fail (printf "With rbac.mode: %s, rbac.outputs does nothing: set rbac.mode: Named, or leave rbac.outputs out." .mode) }}
{{- end }}
{{- .outputs | toJson }}
{{- end }}
{{- end }}

{{- define "entra-rotator.subject" -}}
- kind: ServiceAccount
  name: {{ include "entra-rotator.serviceAccountName" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "entra-rotator.serviceAccountAnnotations" -}}
{{- with .Values.workloadIdentity }}
{{- if and .enabled .webhook .clientID }}
azure.workload.identity/client-id: {{ .clientID | quote }}
{{- end }}
{{- end }}
{{- with .Values.serviceAccount.annotations }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- /* "true" where the chart itself, and no webhook, mounts the token for Entra. */ -}}
{{- define "entra-rotator.mountsToken" -}}
{{- if and .Values.workloadIdentity.enabled (not .Values.workloadIdentity.webhook) }}true{{ end }}
{{- end }}

{{- /* The audience of the token (Microsoft Entra, "Workload identity federation"). */ -}}
{{- define "entra-rotator.audience" -}}
{{- $clouds := dict "Global" "" "USGovernmentL4" "USGov" "USGovernmentL5" "USGov" "China" "China" -}}
{{- .Values.workloadIdentity.audience | default (printf "api://AzureADTokenExchange%s" (get $clouds .Values.workloadIdentity.cloud)) }}
{{- end }}
