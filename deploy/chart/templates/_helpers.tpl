{{- define "cartograph.name" -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "cartograph.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: cartograph
{{ include "cartograph.selector" . }}
{{- end }}

{{- define "cartograph.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- /* A setting as the environment takes it: tables a=b,c=d; lists a,b; no exponents in whole numbers. */ -}}
{{- define "cartograph.value" -}}
{{- if kindIs "map" . -}}
{{- $pairs := list -}}
{{- range $name, $value := . -}}
{{- $pairs = append $pairs (printf "%s=%s" $name (include "cartograph.value" $value)) -}}
{{- end -}}
{{- join "," $pairs -}}
{{- else if kindIs "slice" . -}}
{{- join "," . -}}
{{- else if and (kindIs "float64" .) (eq (floor .) .) -}}
{{- int64 . -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end }}

{{- /* Environment of a process: the settings, and `own`, what only this kind of process has. */ -}}
{{- define "cartograph.env" -}}
{{- $root := .root -}}
{{- $all := dict "data_dir" "/data" -}}
{{- range $name, $value := $root.Values.settings -}}
{{- $_ := set $all $name (include "cartograph.value" $value) -}}
{{- end -}}
{{- with $root.Values.kafka.tls -}}
{{- if .existingSecret -}}
{{- range $name, $file := dict "kafka_ca_file" .ca "kafka_cert_file" .cert "kafka_key_file" .key -}}
{{- if $file }}{{ $_ := set $all $name (printf "/etc/cartograph/kafka/%s" $file) }}{{ end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .own }}{{ $_ := set $all $name $value }}{{ end -}}
{{- range $name, $value := $all }}
- {name: CARTOGRAPH_{{ upper $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with $root.Values.secret }}
- {name: CARTOGRAPH_SECRET, valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .key | quote }}}}}
{{- end }}
{{- with $root.Values.kafka.tls }}
{{- if and .existingSecret .keyPassword }}
- {name: CARTOGRAPH_KAFKA_KEY_PASSWORD, valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .keyPassword | quote }}}}}
{{- end }}
{{- end }}
{{- with $root.Values.kafka.password }}
{{- if .existingSecret }}
- {name: CARTOGRAPH_KAFKA_PASSWORD, valueFrom: {secretKeyRef: {name: {{ .existingSecret | quote }}, key: {{ .key | quote }}}}}
{{- end }}
{{- end }}
{{- end }}

{{- /* Settings of who may ask the read API, as YAML. */ -}}
{{- define "cartograph.auth" -}}
{{- with .Values.serve.auth -}}
api_mode: {{ .mode | quote }}
{{- if .tokens.existingSecret }}
api_tokens_file: /etc/cartograph/api/api_tokens.json
{{- end }}
{{- if eq .mode "proxy-header" }}
api_proxies: {{ join "," .proxies | quote }}
api_user_header: {{ .userHeader | quote }}
api_role_header: {{ .roleHeader | quote }}
{{- end }}
{{- end }}
{{- end }}

{{- /* What all pods have in common. Service links would be variables that begin with CARTOGRAPH_. */ -}}
{{- define "cartograph.pod" -}}
serviceAccountName: {{ if .hook }}default{{ else }}{{ include "cartograph.name" .root }}{{ end }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{ toJson . }}
{{- end }}
securityContext:
  runAsNonRoot: true
  runAsUser: 10001
  runAsGroup: 10001
  fsGroup: 10001
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "cartograph.image" -}}
image: {{ printf "%s:%s%s" .root.Values.image.repository (.root.Values.image.tag | default .root.Chart.AppVersion) (ternary "-gpu" "" .gpu) | quote }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
{{- end }}

{{- define "cartograph.confined" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "cartograph.mounts" -}}
- {name: tmp, mountPath: /tmp}
{{- if .Values.mappings }}
- {name: mappings, mountPath: /etc/cartograph/mappings, readOnly: true}
{{- end }}
{{- if .Values.kafka.tls.existingSecret }}
- {name: kafka-tls, mountPath: /etc/cartograph/kafka, readOnly: true}
{{- end }}
{{- if .Values.models.existingClaim }}
- {name: models, mountPath: /models, readOnly: true}
{{- end }}
{{- end }}

{{- define "cartograph.volumes" -}}
- {name: tmp, emptyDir: {sizeLimit: 256Mi}}
{{- if .Values.mappings }}
- {name: mappings, configMap: {name: {{ include "cartograph.name" . }}-mappings}}
{{- end }}
{{- with .Values.kafka.tls.existingSecret }}
- {name: kafka-tls, secret: {secretName: {{ . | quote }}, defaultMode: 0440}}
{{- end }}
{{- with .Values.models.existingClaim }}
- {name: models, persistentVolumeClaim: {claimName: {{ . | quote }}, readOnly: true}}
{{- end }}
{{- end }}

{{- define "cartograph.placed" -}}
{{- with .nodeSelector }}
nodeSelector: {{ toJson . }}
{{- end }}
{{- with .tolerations }}
tolerations: {{ toJson . }}
{{- end }}
{{- with .affinity }}
affinity: {{ toJson . }}
{{- end }}
{{- end }}

{{- /* The pod of a command that keeps nothing and reads neither bundles nor mappings. */ -}}
{{- define "cartograph.command" -}}
{{- include "cartograph.pod" (dict "root" .root "hook" .hook) }}
restartPolicy: Never
containers:
  - name: topics
    {{- include "cartograph.image" (dict "root" .root "gpu" false) | nindent 4 }}
    args: {{ toJson .args }}
    env:
      {{- include "cartograph.env" (dict "root" .root "own" dict) | nindent 6 }}
    {{- include "cartograph.confined" .root | nindent 4 }}
    resources:
      {{- toYaml .resources | nindent 6 }}
    volumeMounts:
      - {name: tmp, mountPath: /tmp}
      {{- if .root.Values.kafka.tls.existingSecret }}
      - {name: kafka-tls, mountPath: /etc/cartograph/kafka, readOnly: true}
      {{- end }}
volumes:
  - {name: tmp, emptyDir: {sizeLimit: 256Mi}}
  {{- with .root.Values.kafka.tls.existingSecret }}
  - {name: kafka-tls, secret: {secretName: {{ . | quote }}, defaultMode: 0440}}
  {{- end }}
{{- end }}
