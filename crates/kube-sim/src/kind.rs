//! The kinds of object that the server knows.

use std::{collections::BTreeMap, sync::Arc};

use serde_json::{Value, json};

use crate::{
    builtin,
    jsonpath::Path,
    rules::Rules,
    schema::{Schema, strings},
    violation::Violation,
};

/// A CustomResourceDefinition that cannot be registered.
#[derive(Debug, thiserror::Error)]
pub enum CrdError {
    /// The text is no YAML.
    #[error("cannot read a CustomResourceDefinition: {0}")]
    Parse(String),
    /// A field that every definition needs is not there.
    #[error("the CustomResourceDefinition {name} lacks {field}: add it")]
    Lacks {
        /// The definition's name, as far as it has one.
        name: String,
        /// The path of the missing field.
        field: &'static str,
    },
    /// A pattern of its schema is no regular expression.
    #[error("the CustomResourceDefinition {name} has a pattern that cannot be read: {source}")]
    Pattern {
        /// The definition's name.
        name: String,
        /// What is wrong with the pattern.
        source: regex::Error,
    },
    /// A CEL rule of its schema cannot be compiled.
    #[error("the CustomResourceDefinition {name} has a rule that cannot be compiled: {why}")]
    Rule {
        /// The definition's name.
        name: String,
        /// What is wrong with the rule.
        why: String,
    },
}

/// One kind of object in one version.
pub(crate) struct Kind {
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) kind: String,
    pub(crate) plural: String,
    pub(crate) singular: String,
    /// Where its objects are kept; kinds that are two forms of one thing share it.
    pub(crate) table: String,
    pub(crate) short_names: Vec<String>,
    pub(crate) categories: Vec<String>,
    pub(crate) namespaced: bool,
    /// Whether `status` is written by its own subresource only.
    pub(crate) has_status: bool,
    /// Whether `metadata.generation` counts changes of the spec.
    pub(crate) has_generation: bool,
    pub(crate) put: Put,
    pub(crate) columns: Vec<Column>,
    /// Fields that a field selector may name, besides metadata.name and metadata.namespace.
    pub(crate) selectable: Vec<(String, Path)>,
    pub(crate) model: Model,
}

/// What PUT asks for and does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Put {
    /// It must name the resourceVersion.
    Conditional,
    /// Without a resourceVersion it overwrites.
    Unconditional,
    /// Besides, it creates what is not there.
    Creating,
    /// It creates what is not there, and must name the resourceVersion of what is.
    CreatingConditional,
}

impl Put {
    pub(crate) const fn creates(self) -> bool {
        matches!(self, Self::Creating | Self::CreatingConditional)
    }

    pub(crate) const fn is_conditional(self) -> bool {
        matches!(self, Self::Conditional | Self::CreatingConditional)
    }
}

/// A column of `kubectl get`.
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) kind: String,
    pub(crate) description: String,
    pub(crate) priority: i64,
    pub(crate) path: Path,
}

/// How objects of a kind are read and checked.
pub(crate) enum Model {
    /// A type of k8s-openapi plus checks written here; its schema says only what apply must know.
    Builtin(Box<Schema>, builtin::Builtin),
    /// A custom resource.
    Custom { schema: Box<Schema>, rules: Option<Box<Rules>> },
}

impl Kind {
    /// `secrets`, `leases.coordination.k8s.io`.
    pub(crate) fn qualified(&self) -> String {
        dotted(&self.plural, &self.group)
    }

    pub(crate) fn api_version(&self) -> String {
        match self.group.as_str() {
            "" => self.version.clone(),
            group => format!("{group}/{}", self.version),
        }
    }

    /// The `details` of a Status about one object.
    pub(crate) fn details(&self, name: &str) -> Value {
        let mut details = json!({"name": name, "kind": self.plural});
        if !self.group.is_empty() {
            details["group"] = json!(self.group);
        }
        details
    }

    /// How the object's parts are merged and owned.
    pub(crate) fn shape(&self) -> &Schema {
        match &self.model {
            Model::Custom { schema, .. } | Model::Builtin(schema, _) => schema,
        }
    }

    pub(crate) fn is_custom(&self) -> bool {
        matches!(self.model, Model::Custom { .. })
    }

    /// Brings what was sent into the form that is stored: unknown fields dropped, defaults filled in.
    pub(crate) fn coerce(&self, object: Value) -> Result<Value, String> {
        match &self.model {
            Model::Builtin(_, builtin) => (builtin.coerce)(object),
            Model::Custom { schema, .. } => builtin::coerce_custom(schema, object),
        }
    }

    /// Sets what the server decides, whatever a client says and nobody owns.
    pub(crate) fn settle(&self, object: &mut Value, live: Option<&Value>) {
        if self.table == "namespaces" {
            builtin::settle_namespace(object, live);
        }
    }

    /// Whether the status subresource leaves the metadata alone.
    pub(crate) fn status_spares_metadata(&self) -> bool {
        self.kind != "Namespace"
    }

    /// What is wrong with an object that says it is of another kind.
    pub(crate) fn misnamed(&self, object: &Value) -> Option<Violation> {
        let given = object["kind"].as_str().filter(|given| *given != self.kind)?;
        Some(Violation::invalid("kind", given, format!("must be {}", self.kind)))
    }

    /// Adds everything that makes the object unacceptable to what is wrong with its metadata.
    pub(crate) fn check(&self, new: &Value, old: Option<&Value>, found: &mut Vec<Violation>) {
        let (schema, rules) = match &self.model {
            Model::Builtin(_, builtin) => return found.extend((builtin.validate)(new, old)),
            Model::Custom { schema, rules } => (schema, rules),
        };
        if self.misnamed(new).is_none() {
            found.extend(crate::validate::violations(schema, new, old));
        }
        match rules {
            Some(_) if found.iter().any(Violation::blocks_rules) => found.push(Violation::rules_not_checked()),
            Some(rules) => found.extend(rules.violations(schema, new, old)),
            None => {}
        }
    }

    /// All served versions of a definition. (One is enough for the kinds of this workspace: versions are not converted.)
    pub(crate) fn from_crd(crd: &Value) -> Result<Vec<Self>, CrdError> {
        let name = crd["metadata"]["name"].as_str().unwrap_or("without a name").to_owned();
        let lacks = |field| CrdError::Lacks { name: name.clone(), field };
        crd["spec"]["group"].as_str().ok_or_else(|| lacks("spec.group"))?;
        crd["spec"]["names"]["kind"].as_str().ok_or_else(|| lacks("spec.names.kind"))?;
        crd["spec"]["names"]["plural"].as_str().ok_or_else(|| lacks("spec.names.plural"))?;
        let versions = crd["spec"]["versions"].as_array().ok_or_else(|| lacks("spec.versions"))?;
        let served = versions.iter().filter(|version| version["served"] != false);
        served.map(|version| Self::from_version(&name, &crd["spec"], version)).collect()
    }

    fn from_version(name: &str, spec: &Value, version: &Value) -> Result<Self, CrdError> {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let raw = &version["schema"]["openAPIV3Schema"];
        let schema = Schema::compile_object(raw).map_err(|source| CrdError::Pattern { name: name.into(), source })?;
        let rules = Rules::compile(raw).map_err(|why| CrdError::Rule { name: name.into(), why })?;
        let (kind, plural, group) = (text(&spec["names"]["kind"]), text(&spec["names"]["plural"]), text(&spec["group"]));
        Ok(Self {
            table: dotted(&plural, &group),
            group,
            version: text(&version["name"]),
            plural,
            singular: match spec["names"]["singular"].as_str() {
                Some(singular) => singular.to_owned(),
                None => kind.to_lowercase(),
            },
            kind,
            short_names: strings(&spec["names"]["shortNames"]),
            categories: strings(&spec["names"]["categories"]),
            namespaced: spec["scope"] == "Namespaced",
            has_status: version["subresources"]["status"].is_object(),
            has_generation: true,
            put: Put::Conditional,
            columns: columns(&version["additionalPrinterColumns"]),
            selectable: selectable(&version["selectableFields"]),
            model: Model::Custom { schema: Box::new(schema), rules: rules.map(Box::new) },
        })
    }
}

/// Every kind the server knows, by group, version and plural.
#[derive(Default)]
pub(crate) struct Catalogue {
    kinds: BTreeMap<(String, String, String), Arc<Kind>>,
}

impl Catalogue {
    pub(crate) fn add(&mut self, kind: Kind) {
        let key = (kind.group.clone(), kind.version.clone(), kind.plural.clone());
        self.kinds.insert(key, Arc::new(kind));
    }

    pub(crate) fn remove(&mut self, kind: &Kind) {
        self.kinds.remove(&(kind.group.clone(), kind.version.clone(), kind.plural.clone()));
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Kind>> {
        self.kinds.values()
    }

    pub(crate) fn find(&self, group: &str, version: &str, plural: &str) -> Option<&Arc<Kind>> {
        self.kinds.get(&(group.to_owned(), version.to_owned(), plural.to_owned()))
    }

    /// By what an owner reference says.
    pub(crate) fn knows(&self, api_version: &str, kind: &str) -> bool {
        self.all().any(|known| known.kind == kind && known.api_version() == api_version)
    }
}

pub(crate) fn dotted(name: &str, group: &str) -> String {
    if group.is_empty() { name.to_owned() } else { format!("{name}.{group}") }
}

fn columns(raw: &Value) -> Vec<Column> {
    let mut columns: Vec<_> = raw.as_array().into_iter().flatten().map(column).collect();
    if columns.is_empty() {
        columns.push(Column::age());
    }
    columns
}

fn column(raw: &Value) -> Column {
    let text = |key: &str| raw[key].as_str().unwrap_or_default().to_owned();
    Column {
        name: text("name"),
        kind: text("type"),
        description: match raw["description"].as_str() {
            Some(description) => description.to_owned(),
            None => format!("Custom resource definition column (in JSONPath format): {}", text("jsonPath")),
        },
        priority: raw["priority"].as_i64().unwrap_or(0),
        path: Path::parse(&text("jsonPath")),
    }
}

impl Column {
    pub(crate) fn age() -> Self {
        Self::new("Age", "date", ".metadata.creationTimestamp")
    }

    pub(crate) fn new(name: &str, kind: &str, path: &str) -> Self {
        Self { name: name.into(), kind: kind.into(), description: String::new(), priority: 0, path: Path::parse(path) }
    }
}

fn selectable(raw: &Value) -> Vec<(String, Path)> {
    let fields = raw.as_array().into_iter().flatten();
    fields.filter_map(|field| field["jsonPath"].as_str()).map(|path| (path.trim_start_matches('.').to_owned(), Path::parse(path))).collect()
}
