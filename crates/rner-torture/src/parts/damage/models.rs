//! Folders of models: weights in one file and in several, an adapter, the tokenizer and the configuration.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use lm_model::checkpoint::{self, SaveDtype};
use lm_model::{ChatTokenizer, LoraConfig, Precision, Qwen3, Qwen3Config};
use lm_train::burn::backend::Flex;
use rner::session::Session;
use rner::stages::ModelDir;

use super::subject::{Proof, Reading, Subject};
use super::training::weights;

/// A text with what tokenizers stumble over.
const TEXT: &str = "Ann\u{e9} \u{1f600} sings <|im_end|> in Brel";

/// Folders of models as `rner` and PEFT write them.
pub(super) struct Models;

impl Subject for Models {
    fn name(&self) -> &'static str {
        "model folders"
    }

    fn proof(&self) -> Proof {
        Proof::Open
    }

    fn write(&self, dir: &Path) -> Result<()> {
        let (base, sharded) = (dir.join("base"), dir.join("sharded"));
        std::fs::create_dir(&base).context("a folder")?;
        let texts = ["Ann sings in Brel.", "Bo sleeps in Brel, and Ann sings."];
        let tokenizer = ChatTokenizer::train_bpe(texts, 270)?;
        tokenizer.save(&base)?;
        let config = Qwen3Config {
            vocab_size: tokenizer.vocab_size(),
            hidden_size: 8,
            intermediate_size: 8,
            num_hidden_layers: 2,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 4,
            max_position_embeddings: 64,
            bos_token_id: Vec::new(),
            eos_token_id: vec![tokenizer.eos_id()],
            ..Qwen3Config::default()
        };
        let model: Qwen3<Flex> = config.init(&Default::default(), 1);
        checkpoint::save(&model, &config, &base, SaveDtype::Bf16)?;
        checkpoint::save_sharded(&model, &config, &sharded, SaveDtype::F32, 5_000)?;
        let lora = LoraConfig {
            rank: 2,
            base_model: Some("../base".into()),
            ..LoraConfig::default()
        };
        checkpoint::save_adapter(&model.with_lora(&lora, 1)?, &dir.join("adapter"))?;
        let stops = br#"{"eos_token_id": [259, 257]}"#;
        std::fs::write(base.join("generation_config.json"), stops).context("generation_config.json")
    }

    fn read(&self, dir: &Path) -> Result<Reading> {
        let base = match loaded(&dir.join("base"), dir)? {
            Ok(model) => model,
            Err(words) => return Ok(Err(words)),
        };
        let tokens = match tokens(&dir.join("base")) {
            Ok(tokens) => tokens,
            Err(words) => return Ok(Err(words)),
        };
        let sharded = match loaded(&dir.join("sharded"), dir)? {
            Ok(model) => model,
            Err(words) => return Ok(Err(words)),
        };
        let whole = format!("{tokens} {} {}", weights(&base), weights(&sharded));
        let adapted = match checkpoint::load_adapter(base, &dir.join("adapter")) {
            Ok(model) => model,
            // A setting that cannot be is named without the file.
            Err(error) => return Ok(Err(format!("adapter: {error}"))),
        };
        computes(&adapted)?;
        Ok(Ok(format!("{whole} {}", weights(&adapted.merged()))))
    }
}

/// The model of a folder, which must compute, and be the same when it is written and read again.
fn loaded(folder: &Path, dir: &Path) -> Result<Result<Qwen3<Flex>, String>> {
    let found = ModelDir::find(folder, &Session::silent());
    let loaded = found.and_then(|found| found.load::<Flex>(&Default::default(), Precision::F32));
    let model = match loaded {
        Ok(model) => model,
        Err(error) => return Ok(Err(error.to_string())),
    };
    computes(&model)?;
    let again = dir.join("again");
    checkpoint::save(&model, model.config(), &again, SaveDtype::F32).context("written again")?;
    let read: Qwen3<Flex> = checkpoint::load(&again, &Default::default()).context("read again")?;
    ensure!(
        weights(&read) == weights(&model),
        "read again, the weights are others"
    );
    Ok(Ok(model))
}

/// What the tokenizer makes of a text and of a prompt.
fn tokens(folder: &Path) -> Result<String, String> {
    let tokenizer = ModelDir::find(folder, &Session::silent()).and_then(|found| found.tokenizer());
    let tokenizer = tokenizer.map_err(|error| error.to_string())?;
    let ids = tokenizer
        .encode_text(TEXT)
        .map_err(|error| format!("tokenizer.json: {error}"))?;
    let prompt = tokenizer.prompt_ids(TEXT);
    Ok(format!(
        "{ids:?} {prompt:?} {:?} {}",
        tokenizer.stop_ids(),
        tokenizer.decode(&ids)
    ))
}

/// A model gives as many numbers as its configuration says.
fn computes(model: &Qwen3<Flex>) -> Result<()> {
    let logits = model.logits(&model.pack(&[&[0_u32, 0, 0]])).dims();
    let expected = [3, model.config().vocab_size];
    ensure!(
        logits == expected,
        "logits {logits:?}, expected {expected:?}"
    );
    Ok(())
}
