/// What is bound to whom; everything else in the chart gives nobody a right.
const KINDS: [&str; 5] = ["ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "ServiceAccount"];

/// What changes with every release, and says nothing about rights.
const PROVENANCE: [&str; 5] =
    ["# Source:", "helm.sh/chart:", "app.kubernetes.io/version:", "app.kubernetes.io/managed-by:", "app.kubernetes.io/instance:"];

/// The documents about rights, as the chart renders them, comments included.
pub(super) fn roles(rendered: &str) -> String {
    let documents = rendered.split("---\n").filter(|document| KINDS.iter().any(|kind| document.contains(&format!("\nkind: {kind}\n"))));
    documents.fold(String::new(), |page, document| page + "---\n" + &without_provenance(document))
}

fn without_provenance(document: &str) -> String {
    let lines = document.trim().lines().filter(|line| !PROVENANCE.iter().any(|known| line.trim_start().starts_with(known)));
    lines.fold(String::new(), |page, line| page + line + "\n")
}

#[test]
fn documents_about_rights_are_kept_whole_and_others_left_out() {
    let rendered = "---\n# Source: chart/a.yaml\napiVersion: v1\nkind: Role\nlabels:\n  helm.sh/chart: a-1\n  x: y\n---\napiVersion: v1\nkind: Service\n";
    assert_eq!(roles(rendered), "---\napiVersion: v1\nkind: Role\nlabels:\n  x: y\n");
}
