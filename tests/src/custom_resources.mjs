// Holds objects of custom resources against the schemas of their definitions. Reads a JSON list of
// objects, says the kinds that were judged, one a line, and fails at the first that is wrong.
import { readFileSync } from "node:fs";

const groups = {
  "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
  "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
  "gateway.networking.k8s.io/v1": "@kubernetes-models/gateway-api/gateway.networking.k8s.io/v1",
};

for (const object of JSON.parse(readFileSync(0, "utf8"))) {
  const group = groups[object.apiVersion];
  if (!group) continue;
  const models = await import(group);
  try {
    new models[object.kind](object).validate();
  } catch (error) {
    console.error(`${object.kind} ${object.metadata?.name}: ${error.message}`);
    process.exit(1);
  }
  console.log(object.kind);
}
