#!/usr/bin/env bash
# models [verify | evaluate DATA | train DATA]
#                       checks the shipped models; scores them; trains them anew by their recipes
set -euo pipefail
source scripts/common.sh

# DATA holds movi_like_a, movi_like_e and DAVIS (DAVIS layout), real (videos), coco/train2017.
task=${1:-verify}
data=${2:-}
trainer=build/release/bin/slotmatch_trainer

verify() {
  local manifest folder file wanted bad=0
  for manifest in models/*/*/manifest.textproto; do
    folder=$(dirname "$manifest")
    while read -r file wanted; do
      if [[ $(sha256sum <"$folder/$file" | cut -d' ' -f1) == "$wanted" ]]; then
        echo "$folder  $file  ok"
      else
        echo "$folder  $file  does not have the digest of its manifest" >&2
        bad=1
      fi
    done < <(sed -n 's/^ *file: "\(.*\)"/\1/p; s/^ *sha256: "\(.*\)"/\1/p' "$manifest" | paste -d' ' - -)
  done
  ((bad == 0)) || fail 65 "a shipped model is damaged; git checkout models restores it"
}

evaluate() {
  local model=$1 dataset row
  for row in DAVIS:val movi_like_a:val movi_like_e:val; do
    dataset=${row%%:*}
    "$trainer" evaluate --model "models/$model/1" --data "$data/$dataset" --split "${row##*:}" \
      --json "build/scores/$model/$dataset.json" --pictures "build/scores/$model/$dataset"
  done
}

need_data() {
  [[ -n $data ]] || fail 64 "models $task needs the folder of the data"
  data=$(cd "$SLOTMATCH_CALLER_DIR" && realpath -m -- "$data")
  [[ -d $data ]] || fail 66 "there is no folder $data"
  bash scripts/setup.sh
  build_preset release slotmatch_trainer
}

train() {  # train RECIPE: resumes a run that was cut
  "$trainer" train --config "configs/train/$1.textproto" --data-root "$data" --out "runs/$1" --resume
}

case $task in
  verify) verify ;;
  evaluate)
    need_data
    for model in slotcontrast slotmatch; do evaluate "$model"; done
    ;;
  train)
    need_data
    train slotcontrast
    train slotcontrast_long
    "$trainer" export --run runs/slotcontrast_long --to models/slotcontrast/1 \
      --recipe configs/train/slotcontrast_long.textproto
    train slotmatch
    "$trainer" export --run runs/slotmatch --to models/slotmatch/1 \
      --recipe configs/train/slotmatch.textproto
    for model in slotcontrast slotmatch; do evaluate "$model"; done
    ;;
  *) fail 64 "models knows verify, evaluate DATA and train DATA" ;;
esac
