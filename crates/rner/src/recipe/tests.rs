//! Resolution of profiles and overrides, and what each mistake is answered with.

use super::profiles::PROFILES;
use super::*;

fn tiny(sets: &[&str]) -> Result<Recipe, RecipeError> {
    let sets: Vec<String> = sets.iter().map(|s| (*s).to_owned()).collect();
    Recipe::resolve("tiny", &sets)
}

fn refused(set: &str) -> String {
    tiny(&[set])
        .map(|_| String::new())
        .unwrap_or_else(|e| e.to_string())
}

#[test]
fn every_embedded_profile_resolves() -> Result<(), RecipeError> {
    for (name, _) in PROFILES {
        assert_eq!(Recipe::resolve(name, &[])?.run.name, name);
    }
    Ok(())
}

#[test]
fn the_paper_profiles_hold_the_papers_batch() -> Result<(), RecipeError> {
    for name in ["paper-8b", "qwen3-1.7b", "qwen3-0.6b-lora"] {
        let r = Recipe::resolve(name, &[])?;
        assert_eq!(
            r.sft.batch_size * r.sft.grad_accumulation * r.hardware.gpus,
            256,
            "{name}"
        );
        assert_eq!((r.grpo.group_size, r.grpo.iterations), (16, 4), "{name}");
    }
    Ok(())
}

#[test]
fn overrides_take_toml_values_and_bare_strings() -> Result<(), RecipeError> {
    let r = tiny(&[
        "sft.lr=1",
        "run.name=my run",
        "model.base = \"a b\"",
        "grpo.loss_type=bnpo",
        "plan.teacher_tokens_out=[1, 2, 3]",
        "run.name=7",
    ])?;
    assert_eq!(r.sft.lr, 1.0);
    assert_eq!(r.run.name, "7");
    assert_eq!(r.model.base, "a b");
    assert_eq!(r.grpo.loss_type, lm_grpo::LossType::Bnpo);
    assert_eq!(r.plan.teacher_tokens_out, [1, 2, 3]);
    Ok(())
}

#[test]
fn the_objective_of_grpo_is_chosen_by_name() -> Result<(), RecipeError> {
    let paper = Recipe::resolve("paper-8b", &[])?.grpo;
    assert_eq!(paper.scale_rewards, lm_grpo::ScaleRewards::Group);
    assert_eq!(paper.engine_correction, Correction::None);
    assert_eq!((paper.delta, paper.dynamic_sampling), (0.0, 0));
    let grpo = tiny(&[
        "grpo.loss_type=dapo",
        "grpo.importance_sampling_level=sequence",
        "grpo.kl_estimator=k2",
        "grpo.engine_correction=truncate",
        "grpo.delta=4",
        "grpo.entropy_coef=0.01",
    ])?
    .grpo;
    assert_eq!(grpo.loss_type, lm_grpo::LossType::Dapo);
    assert_eq!(
        grpo.importance_sampling_level,
        lm_grpo::ImportanceSamplingLevel::Sequence
    );
    assert_eq!(grpo.kl_estimator, lm_grpo::KlEstimator::K2);
    assert_eq!(grpo.engine_correction, Correction::Truncate);
    assert_eq!(grpo.entropy_coef, 0.01);
    assert!(refused("grpo.entropy_coef=-1").contains("grpo.entropy_coef"));
    assert!(refused("grpo.loss_type=dopo").contains("dapo"));
    Ok(())
}

#[test]
fn an_unknown_key_names_its_neighbours() {
    assert!(refused("sft.learning_rat=1").contains("no such key"));
    assert!(refused("sft.warmup_rate=0.1").contains("sft.warmup_ratio"));
    assert!(refused("lr=0.1").contains("did you mean grpo.lr or sft.lr?"));
    assert!(refused("sft=1").contains("no such key"));
    assert!(refused("sft.lr").contains("expected section.key=value"));
}

#[test]
fn a_wrong_type_names_key_expected_and_found() {
    assert_eq!(
        refused("sft.batch_size=many"),
        "--set sft.batch_size: expected an integer, found the string \"many\""
    );
    assert_eq!(
        refused("sft.batch_size=1.5"),
        "--set sft.batch_size: expected an integer, found a number 1.5"
    );
    assert!(refused("sft.batch_size=-1").starts_with("--set sft.batch_size = -1: "));
    let variant = refused("run.backend=tpu");
    assert!(
        variant.starts_with("--set run.backend = tpu: unknown variant")
            && variant.contains("libtorch"),
        "{variant}"
    );
    assert!(refused("sft.lr=1\nfoo=2").contains("expected a number"));
}

#[test]
fn a_value_without_sense_is_refused() {
    assert_eq!(
        refused("run.seeds=0"),
        "run.seeds: expected at least 1, found 0"
    );
    assert!(refused("sft.lr=nan").contains("finite"));
    assert!(refused("grpo.group_size=1").contains("at least 2"));
    assert!(
        refused("grpo.reward_format=-1")
            .contains("grpo.reward_format: expected a finite number, 0 or above")
    );
    assert!(refused("grpo.reward_length_max=9").contains("more than grpo.reward_length_free"));
    assert!(refused("grpo.delta=1.1").contains("0 or more than 1 + grpo.epsilon_high"));
    assert!(refused("grpo.engine_correction_cap=0").contains("above 0"));
    assert!(refused("grpo.eval_every=5").contains("above 0 with grpo.eval_every"));
    assert!(refused("grpo.load_best=true").contains("0 without grpo.eval_every"));
    assert!(refused("grpo.reward_lenght=1").contains("did you mean grpo.reward_length"));
}

#[test]
fn an_unknown_profile_lists_the_known_ones() {
    let message = Recipe::resolve("papr-8b", &[])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(message.contains("qwen3-1.7b") && message.contains("did you mean paper-8b"));
    let message = Recipe::resolve("no/such.toml", &[])
        .map(|_| ())
        .unwrap_err()
        .to_string();
    assert!(
        message.starts_with("cannot read the recipe no/such.toml"),
        "{message}"
    );
}

#[test]
fn a_file_with_an_unknown_key_is_refused() -> std::io::Result<()> {
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("r.toml");
    std::fs::write(&path, PROFILES[0].1.replace("[eval]", "[eval]\nbeams = 4"))?;
    let message = Recipe::resolve(&path.display().to_string(), &[])
        .map(|_| ())
        .unwrap_err();
    assert!(message.to_string().contains("beams"), "{message}");
    Ok(())
}

#[test]
fn the_written_recipe_resolves_to_itself() -> Result<(), Box<dyn std::error::Error>> {
    let recipe = tiny(&["run.seed=7"])?;
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("recipe.toml");
    std::fs::write(&path, recipe.to_toml())?;
    let again = Recipe::resolve(&path.display().to_string(), &[])?;
    assert_eq!(again, recipe);
    assert!(recipe.to_toml().contains(&recipe.hash()));
    Ok(())
}

#[test]
fn a_section_hash_sees_its_sections_only() -> Result<(), RecipeError> {
    let (a, b) = (tiny(&[])?, tiny(&["eval.batch=1"])?);
    assert_eq!(
        a.section_hash(&["data", "cot"]),
        b.section_hash(&["data", "cot"])
    );
    assert_ne!(a.section_hash(&["eval"]), b.section_hash(&["eval"]));
    Ok(())
}

#[test]
fn data_sources_are_told_apart() {
    assert_eq!(DataSource::parse("tiny"), DataSource::Tiny);
    assert!(matches!(
        DataSource::parse("crossner-mit"),
        DataSource::Public("crossner-mit", _)
    ));
    assert_eq!(
        DataSource::parse("some/dir"),
        DataSource::Dir("some/dir".into())
    );
}

#[test]
fn seeds_follow_each_other() -> Result<(), RecipeError> {
    let seeds: Vec<u64> = tiny(&["run.seeds=3"])?.run.all_seeds().collect();
    assert_eq!(seeds, [42, 43, 44]);
    Ok(())
}
