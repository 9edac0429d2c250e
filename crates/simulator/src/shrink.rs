//! A plan that fails, made as small as it still fails.

use crate::plan::Plan;
use crate::setup::Replicas;

/// Leaves out what is not needed for `fails`.
pub fn shrink(plan: &Plan, fails: impl Fn(&Plan) -> bool) -> Plan {
    let mut smallest = plan.clone();
    while let Some(smaller) = simpler(&smallest).into_iter().find(|smaller| fails(smaller)) {
        smallest = smaller;
    }
    smallest
}

/// The plans that have one thing less.
fn simpler(plan: &Plan) -> Vec<Plan> {
    let mut plans = Vec::new();
    if plan.replicas != Replicas::None {
        plans.push(Plan { replicas: Replicas::None, ..plan.clone() });
    }
    if plan.lag > 0 {
        plans.push(Plan { lag: 0, ..plan.clone() });
    }
    for left_out in 0..plan.turns.len() {
        let mut smaller = plan.clone();
        smaller.turns.remove(left_out);
        plans.push(smaller);
    }
    plans
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_is_shrunk_to_what_it_fails_by() {
        let plan: Plan = "secret.rotation lag=10 replicas=unelected crash-after@3 storm@4 answer-lost@7".parse().unwrap();
        let fails = |plan: &Plan| plan.to_string().contains("storm@4") && plan.lag > 0;
        assert_eq!(shrink(&plan, fails).to_string(), "secret.rotation lag=10 storm@4");
    }

    #[test]
    fn a_plan_that_fails_undisturbed_is_shrunk_to_that() {
        let plan: Plan = "signing.first-issue crash-after@3".parse().unwrap();
        assert_eq!(shrink(&plan, |_| true).to_string(), "signing.first-issue");
    }
}
